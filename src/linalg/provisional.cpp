// Plain loops that stand in until the kernels land; delete this file together with that.
#include "linalg/products.hpp"
#include "linalg/vector_math.hpp"
#include "linalg/thread_pool.hpp"
#include <cmath>
#include <vector>
namespace fastexpr::linalg {
static double w(const MatrixView& A, Index i){return A.precision==Precision::float32?((const float*)A.data)[i]:((const double*)A.data)[i];}
void multiply(const MatrixView& A, bool t, const double* B, Index c, double* C, bool acc){
 Index r=t?A.columns:A.rows,k=t?A.rows:A.columns;
 for(Index i=0;i<r;i++)for(Index j=0;j<c;j++){double s=acc?C[i*c+j]:0;for(Index l=0;l<k;l++)s+=w(A,t?l*A.columns+i:i*A.columns+l)*B[l*c+j];C[i*c+j]=s;}}
void multiply_right(const double* B, Index rows, const MatrixView& A, bool t, double* C, bool acc){
 Index k=t?A.columns:A.rows,c=t?A.rows:A.columns;
 for(Index i=0;i<rows;i++)for(Index j=0;j<c;j++){double s=acc?C[i*c+j]:0;for(Index l=0;l<k;l++)s+=B[i*k+l]*w(A,t?j*A.columns+l:l*A.columns+j);C[i*c+j]=s;}}
void add_scaled_gram(const double* T, Index st, const double* q, Index qs, Index rows, Index n, double* H){for(Index r=0;r<rows;r++)if(q[r*qs]!=0)for(Index i=0;i<n;i++)for(Index j=i;j<n;j++)H[i*n+j]+=T[r*st+i]*q[r*qs]*T[r*st+j];}
void add_product_triangle(const double* T, const double* S, Index st, Index rows, Index n, double* H){for(Index r=0;r<rows;r++)for(Index i=0;i<n;i++)for(Index j=i;j<n;j++)H[i*n+j]+=T[r*st+i]*S[r*st+j];}
void mirror_upper(double* H, Index n){for(Index i=0;i<n;i++)for(Index j=0;j<i;j++)H[i*n+j]=H[j*n+i];}
void scale_rows(const double* d,const double*T,Index r,Index c,double*o){for(Index i=0;i<r;i++)for(Index j=0;j<c;j++)o[i*c+j]=d[i]*T[i*c+j];}
void add_scaled_rows(const double* d,const double*T,Index r,Index c,double*o){for(Index i=0;i<r;i++)for(Index j=0;j<c;j++)o[i*c+j]+=d[i]*T[i*c+j];}
void transpose(const double*A,Index r,Index c,double*o){for(Index i=0;i<r;i++)for(Index j=0;j<c;j++)o[j*r+i]=A[i*c+j];}
const char* blas_description(){return "none";}
void parallel_for(Index n,Index,const std::function<void(Index,Index)>&b){b(0,n);}
void set_num_threads(int){} int num_threads(){return 1;}
}
namespace fastexpr::vector_math {
#define F(n,e) void n(const double*x,double*y,Index c){for(Index i=0;i<c;i++){double u=x[i];y[i]=e;}}
F(exp,std::exp(u)) F(expm1,std::expm1(u)) F(log,std::log(u)) F(log1p,std::log1p(u)) F(sin,std::sin(u)) F(cos,std::cos(u)) F(tanh,std::tanh(u)) F(erf,std::erf(u)) F(erfc,std::erfc(u)) F(sqrt,std::sqrt(u)) F(sigmoid,1/(1+std::exp(-u))) F(softplus,std::log1p(std::exp(u)))
void pow(const double*x,const double*y,double*z,Index c){for(Index i=0;i<c;i++)z[i]=std::pow(x[i],y[i]);}
const char* library(){return "libm";} const char* cpu_path(){return "baseline";}
}
